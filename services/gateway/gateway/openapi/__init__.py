"""Examples for the API's documentation, made from the contracts themselves."""
