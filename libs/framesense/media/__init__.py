"""Client bytes made safe: images, zip archives, spreadsheet cells."""
