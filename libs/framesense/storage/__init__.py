"""What is stored, and where: blobs, and the analyses, photo sets and edits made of them."""
