"""Facts: how far this host's clock is from its scheduler's."""

import calendar
import email.utils
import http.client
import socket
import time
from typing import NamedTuple, Optional, Union
from urllib.parse import urlsplit

from ..host import Host
from ..unknown import Unknown
from ..web import UnreachableError, open_connection

TIMEOUT_S = 2

# ahead_s: whole seconds, which is how exact HTTP's Date is; negative where this host's clock is behind.
Clock = NamedTuple("Clock", [("epoch_s", float), ("ahead_of_scheduler_s", Union[int, Unknown])])


def read_clock(host: Host) -> Clock:
    """Read the clock, and compare it with the Date of an answer of the scheduler."""
    now_epoch_s = time.time()
    return Clock(round(now_epoch_s, 3), read_offset(host))


def read_offset(host: Host) -> Union[int, Unknown]:
    """Ask the scheduler for its time; by hand there is none to ask."""
    url = host.variable("CALICO_DCOS_REPORT_URL")
    if not url:
        return Unknown("no scheduler is known (CALICO_DCOS_REPORT_URL is not set)")
    try:
        connection = open_connection(urlsplit(url).netloc, TIMEOUT_S)
    except UnreachableError as error:
        return Unknown(str(error))
    try:
        connection.request("HEAD", "/")
        date = connection.getresponse().getheader("Date")
    except socket.timeout:
        return Unknown("the scheduler did not answer within {} s".format(TIMEOUT_S))
    except (OSError, http.client.HTTPException) as error:
        return Unknown("the scheduler does not answer: {}".format(error or type(error).__name__))
    finally:
        connection.close()
    return compute_offset(date, time.time())


def compute_offset(date: Optional[str], now_epoch_s: float) -> Union[int, Unknown]:
    """Compute how far now is ahead of an HTTP Date; the Date is cut to whole seconds."""
    parsed = email.utils.parsedate_tz(date or "")
    if parsed is None:
        return Unknown("the scheduler's answer has no Date that is understood: {!r}".format(date))
    # Always in GMT, whatever zone this host lives in.
    difference = now_epoch_s - (calendar.timegm(parsed[:9]) - (parsed[9] or 0))
    return 0 if 0 <= difference < 1 else int(difference // 1)
