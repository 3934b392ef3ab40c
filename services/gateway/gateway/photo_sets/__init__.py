"""Photo sets in, reports and thumbnails out."""
