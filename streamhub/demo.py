"""The demo: a server, and sample missions that keep emitting believable events until they are told to stop."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final

from streamhub.emitter import Emitter
from streamhub.stream_id import file_name
from streamhub.web.server import running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhub.config import Config

    Mission = Callable[["Stage"], None]

#: How long it takes until a mission that has ended starts anew, in seconds.
_REST: Final = (2.0, 5.0)

_SHOPS: Final = ("https://shop.example", "https://outlet.example", "https://market.example")
_PRODUCTS: Final = ("desk lamp", "office chair", "standing desk", "monitor arm", "notebook stand")
_SECTIONS: Final = ("world", "science", "economy", "sports", "culture", "technology")


class _StoppedError(Exception):
    """The demo ends."""


class Stage:
    """What a sample mission works with.

    Attributes:
        stream: where it tells what it does.
        chance: decides what happens.
    """

    def __init__(self, stream: Emitter, stop: threading.Event) -> None:
        self.stream = stream
        self.chance = random.Random()  # noqa: S311 - not for secrets
        self._stop = stop

    def happens(self, probability: float) -> bool:
        """Whether something that is so probable happens."""
        return self.chance.random() < probability

    def take(self, least: float, most: float) -> None:
        """Let some seconds pass; ends the mission when the demo ends."""
        if self._stop.wait(self.chance.uniform(least, most)):
            raise _StoppedError


def watch_prices(stage: Stage) -> None:
    """Goes round the shops for ever."""
    stream, chance = stage.stream, stage.chance
    prices = {product: chance.uniform(40, 400) for product in _PRODUCTS}
    for tour in count(1):
        for shop in _SHOPS:
            product = chance.choice(_PRODUCTS)
            address = f"{shop}/search?q={product.replace(' ', '+')}"
            stream.navigation(address, "goto", f"tour {tour}")
            stage.take(0.2, 0.8)
            if stage.happens(0.15):
                _meet_captcha(stage)
            stream.extraction("prices", chance.randint(3, 48), address)
            prices[product] *= chance.uniform(0.9, 1.1)
            stream.signal("price", round(prices[product], 2), product)
            stage.take(0.3, 1.2)
        stream.status("running", detail=f"{tour} tours done")


def _meet_captcha(stage: Stage) -> None:
    stage.stream.signal("captcha", value=True, detail="a checkbox")
    stage.take(0.5, 1.5)
    stage.stream.signal("captcha", value=False, detail="solved")


def check_out(stage: Stage) -> None:
    """Buys something, to see that it can be done."""
    stream, shop = stage.stream, stage.chance.choice(_SHOPS)
    for path, action in (("/", "goto"), ("/cart", "click"), ("/checkout", "click"), ("/checkout/address", "fill")):
        stream.navigation(shop + path, action)
        stage.take(0.4, 1.2)
        stream.signal("load_time", round(stage.chance.lognormvariate(-0.5, 0.5), 3), path)
        stage.take(0.1, 0.4)
    stream.extraction("order total", 1, f"{shop}/checkout", "EUR 129.90")
    stage.take(0.3, 0.9)
    stream.navigation(f"{shop}/checkout/pay", "click", "test card")
    stage.take(0.5, 1.5)
    stream.signal("order_placed", value=True)


def read_news(stage: Stage) -> None:
    """Reads the headlines, section by section; now and then the site is down."""
    stream, total = stage.stream, 0
    for section in stage.chance.sample(_SECTIONS, 4):
        address = f"https://news.example/{section}"
        stream.navigation(address, "goto")
        stage.take(0.3, 1.0)
        if stage.happens(0.1):
            stream.signal("http_status", 503, address)
            stage.take(0.2, 0.5)
            raise TimeoutError(address)
        articles = stage.chance.randint(5, 30)
        total += articles
        for page in range(1, 1 + articles // 10):
            stream.navigation(f"{address}?page={page + 1}", "scroll")
            stage.take(0.2, 0.6)
        stream.extraction("headlines", articles, address)
        stage.take(0.2, 0.8)
    stream.signal("headlines", total, "ready for the digest")


#: The sample missions, each with the name that its streams begin with.
MISSIONS: Final[tuple[tuple[str, Mission], ...]] = (
    ("price-watch", watch_prices),
    ("checkout", check_out),
    ("news", read_news),
)


class Performance(threading.Thread):
    """One sample mission, started anew in a stream of its own whenever it has ended.

    Its first stream is there as soon as this object is.
    """

    def __init__(self, name: str, mission: Mission, directory: str, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._mission = mission
        self._directory = directory
        self._stopping = stop
        self._numbers = count(1)
        self.stream = self._new_stream()

    def run(self) -> None:
        """Perform until told to stop."""
        while True:
            stage = Stage(self.stream, self._stopping)
            try:
                # What a mission raises has been told in its stream by the end of the block.
                with suppress(TimeoutError), self.stream:
                    self._perform(stage)
                stage.take(*_REST)
            except _StoppedError:
                return
            self.stream = self._new_stream()

    def _perform(self, stage: Stage) -> None:
        stage.stream.status("started")
        try:
            self._mission(stage)
        except _StoppedError:
            stage.stream.close("cancelled", "the demo was stopped")
            raise

    def _new_stream(self) -> Emitter:
        """A stream with the next number that no file has yet."""
        for number in self._numbers:
            stream = f"{self.name}-{number}"
            if not os.path.lexists(os.path.join(self._directory, file_name(stream))):
                break
        return Emitter(self.name, stream, self._directory)


async def run(config: Config, started: Callable[[str, Sequence[str]], None]) -> None:
    """Serve the sample missions until SIGTERM or SIGINT; ``started`` is called with the URL and the streams.

    Raises:
        ConfigError: the missions may not write to the folder.
        OSError: the address cannot be bound.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    stop = threading.Event()
    async with running(config) as url:
        performances = [Performance(name, mission, config.directory, stop) for name, mission in MISSIONS]
        for performance in performances:
            performance.start()
        try:
            started(url, [performance.stream.live_stream_id for performance in performances])
            await told.wait()
        finally:
            stop.set()
            for performance in performances:
                await asyncio.to_thread(performance.join)
