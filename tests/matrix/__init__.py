"""The fault matrix: every kind of job, every step of it, every fault; and the look at the box afterwards."""
