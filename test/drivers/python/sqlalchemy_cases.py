"""SQLAlchemy over ADBC, by the dialect of the package sqlalchemy-adbc."""

import datetime
import decimal

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from cases import raises


def engine_of(server):
    return sa.create_engine(server["uri"].replace("grpc://", "adbc+flightsql://") + "?tls=false")


class Base(DeclarativeBase):
    pass


class Bird(Base):
    __tablename__ = "birds"
    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str | None]
    weight: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(10, 2))
    seen: Mapped[datetime.datetime | None]


def case_core(server):
    engine = engine_of(server)
    birds = Bird.__table__
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS birds"))
    Base.metadata.create_all(engine)
    rows = [
        {"id": 1, "name": "eider", "weight": decimal.Decimal("2.25"), "seen": datetime.datetime(2026, 1, 1, 12)},
        {"id": 2, "name": None, "weight": None, "seen": None},
    ]
    with engine.begin() as connection:
        assert connection.execute(birds.insert(), rows).rowcount == 2
    with engine.connect() as connection:
        found = connection.execute(sa.select(birds).where(birds.c.id > 0).order_by(birds.c.id)).mappings().all()
        assert [dict(row) for row in found] == rows
        connection.execute(birds.insert(), {"id": 3})
        connection.rollback()
        assert connection.execute(sa.select(sa.func.count()).select_from(birds)).scalar() == 2
        assert connection.execute(sa.text("SELECT :a + 1"), {"a": 41}).scalar() == 42
        assert connection.execute(birds.update().where(birds.c.id == 2).values(name="teal")).rowcount == 1
        connection.commit()
        raises(sa.exc.ProgrammingError, lambda: connection.execute(sa.text("SELECT * FROM nowhere")), "nowhere")
    with engine.connect().execution_options(yield_per=1000) as connection:
        result = connection.execute(sa.text("SELECT i FROM range(50000) t(i)"))
        assert sum(len(part) for part in result.partitions()) == 50_000
    engine.dispose()


def case_orm(server):
    engine = engine_of(server)
    with Session(engine) as session:
        session.add(Bird(id=10, name="goose"))
        session.commit()
        session.get(Bird, 10).name = "grey goose"
        session.commit()
        assert session.execute(sa.select(Bird.name).where(Bird.id == 10)).scalars().all() == ["grey goose"]
        session.delete(session.get(Bird, 10))
        session.rollback()
        assert session.get(Bird, 10) is not None
        session.delete(session.get(Bird, 10))
        session.commit()
        assert session.get(Bird, 10) is None
    engine.dispose()


def case_a_pool_that_returns_connections(server):
    """The pool rolls back whatever it gets back, whether there is a transaction or not."""
    engine = engine_of(server)
    for _ in range(12):
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT 1")).scalar() == 1
    assert engine.pool.checkedin() == 1
    engine.dispose()


def case_reflection(server):
    engine = engine_of(server)
    inspector = sa.inspect(engine)
    assert "main" in inspector.get_schema_names() and inspector.has_table("birds")
    columns = {column["name"]: str(column["type"]) for column in inspector.get_columns("birds")}
    assert columns == {"id": "BIGINT", "name": "VARCHAR", "weight": "NUMERIC", "seen": "DATETIME"}, columns
    reflected = sa.Table("birds", sa.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        assert len(connection.execute(sa.select(reflected)).all()) == 2
    # The package lists only what calls itself `table` in lower case, as SQLite does; Flight SQL says TABLE.
    assert inspector.get_table_names() == []
    engine.dispose()


def case_pandas_by_engine(server):
    engine = engine_of(server)
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS by_engine"))
    frame.to_sql("by_engine", engine, if_exists="fail", index=False)
    frame.to_sql("by_engine", engine, if_exists="append", index=False)
    found = pd.read_sql(sa.text("SELECT * FROM by_engine WHERE a = :a"), engine, params={"a": 1})
    assert found["b"].tolist() == ["x", "x"]
    assert sum(len(part) for part in pd.read_sql("SELECT * FROM by_engine", engine, chunksize=3)) == 4
    engine.dispose()
