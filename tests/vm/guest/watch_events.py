"""Runs in the guest: another program that listens to an input device, as a desktop would.

watch_events.py NODE SECONDS [asleep]: opens NODE, and after SECONDS (or when the device goes) prints one JSON object:
``presses`` (key codes), ``dropped`` (how often the kernel said SYN_DROPPED), ``ended`` (errno name, when it went).
asleep: reads nothing before SECONDS are over, so that the kernel's queue runs over.
"""

import errno
import json
import os
import select
import struct
import sys
import time

EVENT = struct.Struct("llHHi")
EV_SYN, SYN_DROPPED, EV_KEY, PRESS = 0, 3, 1, 1


def main(node: str, seconds: float, *, asleep: bool) -> None:
    device = os.open(node, os.O_RDONLY | os.O_NONBLOCK)
    print("open", file=sys.stderr, flush=True)
    presses, dropped, ended = [], 0, ""
    end = time.monotonic() + seconds
    if asleep:
        time.sleep(seconds)
        end += 1
    while not ended and select.select([device], [], [], max(0, end - time.monotonic()))[0]:
        try:
            data = os.read(device, EVENT.size * 64)
        except OSError as error:
            ended = errno.errorcode[error.errno or 0]
            break
        for _, _, kind, code, value in EVENT.iter_unpack(data):
            dropped += (kind, code) == (EV_SYN, SYN_DROPPED)
            presses += [code] if (kind, value) == (EV_KEY, PRESS) else []
    print(json.dumps({"presses": presses, "dropped": dropped, "ended": ended}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), asleep="asleep" in sys.argv[3:])
