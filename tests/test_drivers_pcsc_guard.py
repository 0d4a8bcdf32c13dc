"""The guard in front of every chip card: what only reads goes through, everything else stops there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posd.drivers.read_only import read_only
from posd.errors import ProtocolFault
from tests.fakes.apdu_watch import forbidden

REFUSED = {
    "UPDATE BINARY": "00D6000004DEADBEEF",
    "WRITE BINARY": "00D0000004DEADBEEF",
    "UPDATE RECORD": "00DC010404DEADBEEF",
    "WRITE RECORD": "00D2010404DEADBEEF",
    "APPEND RECORD": "00E2000004DEADBEEF",
    "PUT DATA": "00DA010004DEADBEEF",
    "ERASE BINARY": "000E0000",
    "CREATE FILE": "00E0000004DEADBEEF",
    "DELETE FILE": "00E40000023F00",
    "VERIFY": "0020000108FFFFFFFFFFFFFFFF",
    "VERIFY, BER-TLV form": "0021000108FFFFFFFFFFFFFFFF",
    "CHANGE REFERENCE DATA": "0024000008FFFFFFFFFFFFFFFF",
    "RESET RETRY COUNTER": "002C000008FFFFFFFFFFFFFFFF",
    "EXTERNAL AUTHENTICATE": "0082000008FFFFFFFFFFFFFFFF",
    "TERMINATE CARD USAGE": "00FE0000",
    "SELECT with secure messaging": "0CA40400024142",
    "GENERATE AC": "80AE800000",
    "GET PROCESSING OPTIONS": "80A8000002830000",
    "GlobalPlatform INSTALL": "80E60000",
    "reader: present code, SLE4442": "FF20000003FFFFFF",
    "reader: present code, SLE4428": "FF20000002FFFF",
    "reader: change code": "FFD2000103FFFFFF",
    "reader: write memory card": "FFD0002004DEADBEEF",
    "reader: write protection": "FFD1002004DEADBEEF",
    "reader: write page": "FFD6000404DEADBEEF",
    "reader: value block": "FFD70004050100000001",
    "reader: key into non-volatile memory": "FF82200006FFFFFFFFFFFF",
    "reader: key of another length": "FF82000007FFFFFFFFFFFFFF",
    "reader: key into another place": "FF82000106FFFFFFFFFFFF",
    "reader: authenticate as no known key type": "FF860000050100046200",
    "reader: memory card of another type": "FFA400000107",
    "reader: LED and buzzer": "FF00400004FFFFFFFF",
    "reader: transparent session": "FFC2000002810000",
    "reader: PUT DATA": "FFDA000004DEADBEEF",
    "through the PN532: GET_VERSION and more": "FF00000004D4426000",
    "through the PN532: WRITE": "FF00000008D442A204DEADBEEF",
    "through the PN532: PWD_AUTH": "FF00000007D4421BFFFFFFFF",
    "through the PN532: MIFARE authenticate": "FF00000005D442600400",
    "through the PN532: another order": "FF00000003D44A01",
    "through the PN532: DESFire write": "FF00000005D440013D01",
    "DESFire write data": "903D0000080100000001000000FF00",
    "DESFire write record": "903B00000100",
    "DESFire credit": "900C00000100",
    "DESFire debit": "90DC00000100",
    "DESFire clear records": "90EB00000100",
    "DESFire commit": "90C7000000",
    "DESFire create application": "90CA000005010203098100",
    "DESFire delete application": "90DA0000030102030000",
    "DESFire create file": "90CD00000701000000002000",
    "DESFire delete file": "90DF00000100",
    "DESFire change key": "90C400000100",
    "DESFire change key settings": "905400000100",
    "DESFire change file settings": "905F00000100",
    "DESFire format": "90FC000000",
    "DESFire set configuration": "905C00000100",
    "DESFire with parameters": "905A0100030102030000",
    "Smart Tap: push to the phone": "9052000002010200",
    "Smart Tap: more data, with data": "90C00000020102",
    "Smart Tap: negotiate, with parameters": "9053010002010200",
    "Apple VAS: offer a link": "80CA010002010200",
    "GET DATA of a payment card": "80CA9F3600",
    "too short": "00B0",
    "empty": "",
}
ALLOWED = {
    "SELECT": "00A4040005F0504F534400",
    "READ BINARY": "00B0000080",
    "GET RESPONSE": "00C0000010",
    "UID": "FFCA000000",
    "block": "FFB0000410",
    "memory card type": "FFA400000106",
    "Classic key, volatile": "FF82000006A0A1A2A3A4A5",
    "Classic authenticate": "FF860000050100046000",
    "GET_VERSION": "FF00000003D44260",
    "DESFire select": "905A000003F0504F00",
    "DESFire file settings": "90F50000010100",
    "DESFire authenticate": "90AA0000010100",
    "DESFire authenticate EV2": "907100000201 0000".replace(" ", ""),
    "DESFire read": "90BD0000070100000020000000",
    "DESFire next": "90AF000000",
    "Smart Tap: negotiate": "9053000002010200",
    "Smart Tap: get data": "9050000002010200",
    "Smart Tap: more data": "90C0000000",
    "Smart Tap: more data, as long as the phone says": "90C0000001",
    "Apple VAS: get data": "80CA010102010200",
}


@pytest.mark.parametrize("command", REFUSED.values(), ids=REFUSED.keys())
def test_no_command_that_could_write_or_lock_leaves_posd(command: str) -> None:
    with pytest.raises(ProtocolFault, match="it only reads"):
        read_only(bytes.fromhex(command))


@pytest.mark.parametrize("command", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_only_reads_goes_through_as_it_is(command: str) -> None:
    assert read_only(bytes.fromhex(command)) == bytes.fromhex(command)


@pytest.mark.fuzz
@given(st.binary(max_size=24) | st.sampled_from([*map(bytes.fromhex, [*REFUSED.values(), *ALLOWED.values()])]))
def test_the_guard_lets_nothing_through_that_the_watcher_forbids(command: bytes) -> None:
    """Two lists, written apart: one of what may pass, one of what must not."""
    try:
        read_only(command)
    except ProtocolFault:
        return
    assert forbidden(command) is None
