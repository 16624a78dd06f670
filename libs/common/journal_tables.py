"""Tables of the journal, its cursors and the leases: the only SQL that `common` owns. Imported by migrations, not by services."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Date, DateTime, MetaData, Text, func, text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables of the record."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        date: Date(),
        UUID: PgUuid(as_uuid=True),
    }


class JournalRow(Base):
    """One message. Numbers are gapless within a stream, in commit order."""

    __tablename__ = "journal"

    stream: Mapped[str] = mapped_column(primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    key: Mapped[UUID | None]  # of the row it speaks of
    body: Mapped[str]


class JournalCounterRow(Base):
    """The last number given in each stream; its row lock puts commits in order."""

    __tablename__ = "journal_counters"

    stream: Mapped[str] = mapped_column(primary_key=True)
    last_no: Mapped[int] = mapped_column(server_default=text("0"))


class CursorRow(Base):
    """How far a consumer has come, and the lease epoch it may write under."""

    __tablename__ = "cursors"

    consumer: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    no: Mapped[int] = mapped_column(server_default=text("0"))
    epoch: Mapped[int] = mapped_column(server_default=text("1"))


class QuarantineRow(Base):
    """A message that failed three times, put aside in the transaction that moved the cursor past it."""

    __tablename__ = "quarantine"

    consumer: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    body: Mapped[str]
    error: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LeaseRow(Base):
    """Who may act in a name, and until when by the database's clock."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    epoch: Mapped[int]
    expires_at: Mapped[datetime]
    released: Mapped[bool]
