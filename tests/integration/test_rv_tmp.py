import msgspec
from tests.integration.test_strategy_engine import *
PANEL_CFG = msgspec.structs.replace(FAST, class_name="momentum_panel", symbols=["*"], params={"lookback": 1, "skip": 0, "every": 1, "top": 1})

async def test_symbol_to_panel(database, record):
    async with engine_on(database, record) as scene:
        await scene.closes(*UP, *DOWN)
    before = await targets(database)
    async with engine_on(database, record, PANEL_CFG) as scene:
        assert await targets(database) == before
        await scene.closes(7.0, 8.0, first=5)
    print(await targets(database))

async def test_shape(database, record):
    async with engine_on(database, record) as scene:
        await scene.closes(*UP, *DOWN)
    from libs.common.database import Write
    await database.write([Write("update strategy_states set state = %s", (msgspec.msgpack.encode(([1], [None], [])),))])
    before = await targets(database)
    async with engine_on(database, record) as scene:
        await scene.closes(7.0, 8.0, first=5)
    print(before, await targets(database))
