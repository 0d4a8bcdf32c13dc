"""What a power cut or a failing disk leaves of a ledger: recorder, model of the disk, and checks."""
