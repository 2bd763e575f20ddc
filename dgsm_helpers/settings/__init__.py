"""What the user gives: settings that hold everywhere, and the parameters of a notebook."""
