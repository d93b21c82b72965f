import pytest
from support.postgres import create_database, drop_database
from aikit.database.connect import named_database
from aikit.ledger.opening import migrate


@pytest.fixture
def ledger(postgres_server):
    dsn = create_database(postgres_server)
    db = named_database(dsn, "test")
    migrate(db)
    yield db
    drop_database(dsn)
