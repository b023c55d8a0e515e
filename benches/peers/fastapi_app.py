"""The three endpoints of litink's books as FastAPI and SQLAlchemy 2 (async) serve them.

The same columns, the same durability (WAL, synchronous=FULL, a synced file), the same answers. It
does less on import: it does not read the text into chapters.
"""

import asyncio
import hashlib
import os
import uuid
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path

from fastapi import Depends, FastAPI, HTTPException, Query, Response, UploadFile
from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, event, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DATA = Path(os.environ["BENCH_DATA"])
engine = create_async_engine(f"sqlite+aiosqlite:///{DATA / 'peer.db'}")
sessions = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def durable(connection, _record):
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "books"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="ready")
    title: Mapped[str]
    authors: Mapped[list] = mapped_column(JSON, default=list)
    language: Mapped[str | None]
    identifier: Mapped[str | None]
    publisher: Mapped[str | None]
    published: Mapped[str | None]
    description: Mapped[str | None]
    format: Mapped[str]
    file_name: Mapped[str]
    file_bytes: Mapped[int]
    content_hash: Mapped[str] = mapped_column(index=True)
    has_cover: Mapped[bool] = mapped_column(default=False)
    chapter_count: Mapped[int] = mapped_column(default=1)
    char_count: Mapped[int] = mapped_column(default=0)
    warnings: Mapped[list] = mapped_column(JSON, default=list)


class BookView(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    version: int
    created_at: datetime
    updated_at: datetime
    state: str
    title: str
    authors: list[str]
    language: str | None
    identifier: str | None
    publisher: str | None
    published: str | None
    description: str | None
    format: str
    file_name: str
    file_bytes: int
    content_hash: str
    has_cover: bool
    chapter_count: int
    char_count: int
    warnings: list[dict]


class PageView(BaseModel):
    items: list[BookView]
    next: str | None


@asynccontextmanager
async def lifespan(_app: FastAPI):
    (DATA / "objects").mkdir(parents=True, exist_ok=True)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def session():
    async with sessions() as opened:
        yield opened


@app.get("/api/v1/books", response_model=PageView)
async def list_books(limit: int = Query(100, ge=1, le=1000), db: AsyncSession = Depends(session)):
    newest = select(Book).order_by(Book.created_at.desc(), Book.id.desc()).limit(limit + 1)
    rows = (await db.scalars(newest)).all()
    following = str(rows[limit - 1].id) if len(rows) > limit else None
    return {"items": rows[:limit], "next": following}


@app.get("/api/v1/books/{book_id}", response_model=BookView)
async def get_book(book_id: uuid.UUID, db: AsyncSession = Depends(session)):
    book = await db.get(Book, book_id)
    if book is None:
        raise HTTPException(404)
    return book


@app.post("/api/v1/books", response_model=BookView, status_code=201)
async def create_book(file: UploadFile, response: Response, db: AsyncSession = Depends(session)):
    content = await file.read()
    digest = hashlib.blake2b(content, digest_size=32).hexdigest()
    existing = (await db.scalars(select(Book).where(Book.content_hash == digest))).first()
    if existing is not None:
        response.status_code = 200
        return existing
    await asyncio.to_thread(keep, digest, content)
    now = datetime.now(timezone.utc)
    name = file.filename or ""
    book = Book(
        id=uuid.uuid4(),
        version=1,
        created_at=now,
        updated_at=now,
        title=name,
        language="en",
        format="text",
        file_name=name,
        file_bytes=len(content),
        content_hash=digest,
        char_count=len(content),
    )
    db.add(book)
    await db.commit()
    response.headers["location"] = f"/api/v1/books/{book.id}"
    return book


def keep(digest: str, content: bytes) -> None:
    with open(DATA / "objects" / digest, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
