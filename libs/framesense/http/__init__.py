"""What every service's HTTP does alike: the application factory, problem documents, reading uploads."""
