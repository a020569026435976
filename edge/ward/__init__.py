"""What a ward needs beyond events: alarms that stay until a person has seen them. Pure: no thread, no I/O, no clock."""
