"""What may be used: limits and budgets, reserved before a call and settled after it."""
