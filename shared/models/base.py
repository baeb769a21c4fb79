"""What all tables share: the metadata with its naming rules, and the column types of both databases."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, LargeBinary, MetaData, String, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase

from shared.clock import UtcDateTime

Id = Uuid(as_uuid=False)
"""A UUID, a string in Python: native on PostgreSQL, CHAR(32) on SQLite."""

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON document: JSONB on PostgreSQL."""

MutableJson = MutableDict.as_mutable(JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql"))
"""The same for a dict that job code changes in place: the change is noticed and written."""


class Base(DeclarativeBase):
    """The declarative base; names of constraints are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - read by SQLAlchemy, never changed
        datetime: UtcDateTime(),
        dict[str, Any]: Json,
        list[str]: Json,
        bytes: LargeBinary(),
        str: Text(),
    }


def short(length: int) -> String:
    """A bounded string column."""
    return String(length)
