"""Jobs: their state, events, results, deletion and expiry."""
