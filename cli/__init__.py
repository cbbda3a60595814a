"""The command line. Importing this package keeps NumPy to one thread: its products are small here, and threads for them
wait for each other, on busy cores for seconds. NumPy reads it once, as it is imported."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
