"""A headless Chromium for tests, driven by its DevTools protocol over two pipes: no port and no further package."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
LIMIT = 120
"""Seconds to wait for an answer."""


class Browser:
    """A browser with one tab.

    console  errors and messages of the pages that were opened
    asked    addresses that they requested
    """

    def __init__(self, profile):
        ours, theirs = self._pipes()
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        line = ["bash", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}', "bash", *command]
        self.process = subprocess.Popen(line, pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in theirs:
            os.close(end)
        self.back, self.to = ours
        self.rest, self.count, self.session = b"", 0, {}
        self.console, self.asked = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    @staticmethod
    def _pipes():
        """(our ends, the browser's ends), each (to read, to write); none is 3 or 4, which the browser's will be."""
        first, second = os.pipe(), os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (*first, *second)]
        for end in (*first, *second):
            os.close(end)
        return (high[2], high[1]), (high[0], high[3])

    def close(self):
        self.session = {}
        self.call("Browser.close")
        self.process.wait(LIMIT)
        for end in (self.back, self.to):
            os.close(end)

    def call(self, method, **params):
        """The result of a command of the protocol."""
        self.count += 1
        message = json.dumps({"id": self.count, "method": method, "params": params} | self.session).encode() + b"\0"
        while message:
            message = message[os.write(self.to, message) :]
        while True:
            answer = self._next()
            if answer.get("id") == self.count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _next(self):
        """The next message; events are noted."""
        while b"\0" not in self.rest:
            assert select.select([self.back], [], [], LIMIT)[0], "the browser does not answer"
            part = os.read(self.back, 1 << 16)
            assert part, "the browser has ended"
            self.rest += part
        one, _, self.rest = self.rest.partition(b"\0")
        message = json.loads(one)
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])
            case "Runtime.consoleAPICalled":
                self.console.append(str(params["args"]))
            case "Runtime.exceptionThrown":
                self.console.append(str(params["exceptionDetails"]))
            case "Log.entryAdded":
                self.console.append(params["entry"]["text"])
        return message

    def open(self, address, width=1400, height=900, dark=False, script=True):
        """Open an address in a window of this size, and wait until it is loaded."""
        self.console, self.asked = [], []
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        until = time.monotonic() + LIMIT
        while not self.ask(f"document.readyState === 'complete' && location.href === {json.dumps(address)}"):
            assert time.monotonic() < until, f"{address} does not load"
            time.sleep(0.02)

    def ask(self, expression):
        """The value of an expression of JavaScript; of a promise, what it resolves to."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def shot(self, path, height=None):
        """A picture (PNG) of the whole page, or of its first pixels."""
        width, tall = self.ask("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height or tall, "scale": 1}
        found = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))
        return path
