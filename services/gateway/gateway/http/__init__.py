"""What the routes share: forms that stream, forwarding, byte ranges, zips, CORS."""
