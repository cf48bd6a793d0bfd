"""What an engine and the projects on it do, asserted of the real ones and of the fakes alike."""
