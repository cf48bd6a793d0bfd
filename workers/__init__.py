"""The Dramatiq workers, the operations that they carry out, and the steward beside them."""
