"""What is done with an edit besides editing: the editor is asked, words and pictures are compared, a sheet is drawn."""
