"""Store blobs, and the analyses, photo sets and edits that consist of them."""
