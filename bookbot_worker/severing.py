"""Cutting the connection of a thread that does not stop, from outside that thread.

PostgreSQL: the socket is shut down, and the server rolls back and lets go of its row locks as soon as it sees the end.
SQLite: what runs is interrupted and rolled back, which frees the file for other writers, and the connection is closed:
after the rollback alone the thread's next write would commit by itself, and closing alone frees nothing while a cursor
lives.
"""

import contextlib
import os
import socket
from typing import Any

from sqlalchemy import Connection

from bookbot_worker.cuttable_sqlite import CuttableConnection


def cut_off(connection: Connection) -> Any:
    """End the driver's connection under `connection`, and take it out of its pool; returns it. Never raises.

    Whoever uses it still must close it in the end: nobody else knows of it any more.
    """
    driver: Any = None
    with contextlib.suppress(Exception):
        driver = connection.connection.driver_connection
        with contextlib.suppress(Exception):
            connection.detach()
        _cut(driver)
    return driver


def _cut(driver: Any) -> None:
    if isinstance(driver, CuttableConnection):
        driver.cut()
    else:
        with socket.socket(fileno=os.dup(driver.fileno())) as its_socket:
            its_socket.shutdown(socket.SHUT_RDWR)
