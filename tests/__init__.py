"""What must be so before any test is imported: PC/SC belongs to the test process and not to the machine.

libpcsclite keeps the socket's path that it sees first for the life of the process, so it is set here. Nobody listens
there until `tests.fakes.pcscd.process_pcscd` is asked to.
"""

import os
import tempfile
from pathlib import Path

os.environ["PCSCLITE_CSOCK_NAME"] = str(Path(tempfile.gettempdir()) / f"posd-pcscd-{os.getpid()}")
