"""Everybody gets the newest; nobody waits for anybody."""

import asyncio

from yolact_ros.ros.viewer.audience import Audience


def play(scene):
    """Return what a coroutine returns."""
    return asyncio.run(scene())


def test_a_viewer_gets_the_newest_of_every_kind():
    async def scene():
        audience = Audience(lambda: None)
        with audience.join() as slot:
            for number in range(5):
                audience.tell('image', number)
            audience.tell('health', 'good')
            return await slot.take(1), await slot.take(0.01)
    assert play(scene) == ({'image': 4, 'health': 'good'}, {})


def test_a_slow_viewer_does_not_hold_up_another_one():
    async def scene():
        audience = Audience(lambda: None)
        with audience.join() as slow, audience.join() as quick:
            seen = []
            for number in range(3):
                audience.tell('image', number)
                seen.append((await quick.take(1))['image'])
            return seen, await slow.take(1)
    assert play(scene) == ([0, 1, 2], {'image': 2})


def test_a_viewer_waits_for_what_comes():
    async def scene():
        audience = Audience(lambda: None)
        with audience.join() as slot:
            asyncio.get_running_loop().call_soon(audience.tell, 'image', 7)
            return await slot.take(5)
    assert play(scene) == {'image': 7}


def test_who_comes_later_gets_what_the_others_see():
    async def scene():
        audience = Audience(lambda: None)
        with audience.join(), audience.join() as first:
            audience.tell('image', 1)
            await first.take(1)
            with audience.join() as late:
                return await late.take(1)
    assert play(scene) == {'image': 1}


def test_what_nobody_saw_is_forgotten_unless_it_stays_true():
    async def scene():
        audience = Audience(lambda: None, keeps=('parameters',))
        audience.tell('image', 1)
        with audience.join():
            audience.tell('image', 2)
            audience.tell('parameters', 3)
        audience.tell('image', 4)
        with audience.join() as slot:
            return await slot.take(1)
    assert play(scene) == {'parameters': 3}


def test_only_the_first_and_the_last_viewer_make_a_difference():
    async def scene():
        sizes = []
        audience = Audience(lambda: sizes.append(len(audience)))
        with audience.join():
            with audience.join():
                pass
        return sizes
    assert play(scene) == [1, 0]


def test_who_comes_after_the_end_is_sent_home_too():
    async def scene():
        audience = Audience(lambda: None)
        await audience.send_home()

        async def look():
            with audience.join() as slot:
                await slot.take(60)
        done, _ = await asyncio.wait([asyncio.create_task(look())], timeout=5)
        return [task.cancelled() for task in done], len(audience)
    assert play(scene) == ([True], 0)


def test_viewers_are_sent_home():
    async def scene():
        audience = Audience(lambda: None)

        async def look():
            with audience.join() as slot:
                await slot.take(60)
        tasks = [asyncio.create_task(look()) for _ in range(3)]
        await asyncio.sleep(0)
        looking = len(audience)
        await audience.send_home()
        return looking, len(audience), all(task.cancelled() for task in tasks)
    assert play(scene) == (3, 0, True)


def test_who_overhears_it_is_sent_home_again():
    async def scene():
        audience, deaf = Audience(lambda: None), []

        async def look():
            with audience.join() as slot:
                while True:
                    try:
                        await slot.take(60)
                    except asyncio.CancelledError:
                        deaf.append(True)
                        if len(deaf) == 2:
                            raise
        task = asyncio.create_task(look())
        await asyncio.sleep(0)
        await asyncio.wait_for(audience.send_home(), 10)
        return task.cancelled(), len(audience)
    assert play(scene) == (True, 0)
