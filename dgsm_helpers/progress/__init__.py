"""What people see while they wait, and the kernel of the notebook that they see it in."""
