"""What every call shares: the call itself, its errors, money, tables, interrupts."""
