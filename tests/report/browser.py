"""A headless Chromium that tests drive through its debugging pipe, without any other package."""

import base64
import json
import os
import shutil
import subprocess
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FOUND = next(filter(None, map(shutil.which, NAMES)), None)
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}


class Page:
    """One page: it is asked in JavaScript, and given keys, touches and clicks."""

    def __init__(self, commands, answers, url):
        self._commands, self._answers, self._count = commands, answers, 0
        self._session, self.events = None, []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self("Page.enable")
        self("Network.enable")
        self.open(url)

    def __call__(self, method, **parameters):
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while (answer := self._read()).get("id") != self._count:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _read(self):
        parts = []
        while (letter := self._answers.read(1)) != b"\0":
            if not letter:
                raise RuntimeError("the browser has ended")
            parts.append(letter)
        return json.loads(b"".join(parts))

    def open(self, url):
        self.events.clear()
        self("Page.navigate", url=url)
        while not any(one.get("method") == "Page.loadEventFired" for one in self.events):
            self.events.append(self._read())

    def ask(self, expression):
        asked = self("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in asked:
            raise RuntimeError(str(asked["exceptionDetails"]))
        return asked["result"].get("value")

    def press(self, key):
        code = KEYS.get(key) or ord(key)
        text = {} if key in KEYS else {"text": key}
        of_key = {"key": key, "windowsVirtualKeyCode": code}
        self("Input.dispatchKeyEvent", type="keyDown", **of_key, **text)
        self("Input.dispatchKeyEvent", type="keyUp", **of_key)

    def touch(self, x, y, to=None):
        """Tap, or swipe to another place."""
        self("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        if to is not None:
            for part in (0.3, 0.6, 1.0):
                point = {"x": x + part * (to[0] - x), "y": y + part * (to[1] - y)}
                self("Input.dispatchTouchEvent", type="touchMove", touchPoints=[point])
        self("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            where = {"x": x, "y": y, "button": "left", "clickCount": 1}
            self("Input.dispatchMouseEvent", type=kind, **where)

    def size(self, width, height=800, *, touch=False):
        self(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        self("Emulation.setTouchEmulationEnabled", enabled=touch)

    def prefer(self, **features):
        listed = [
            {"name": f"prefers-{k.replace('_', '-')}", "value": v} for k, v in features.items()
        ]
        self("Emulation.setEmulatedMedia", features=listed)

    def picture(self, **where):
        clip = {"clip": {**where, "scale": 1}} if where else {}
        return base64.b64decode(self("Page.captureScreenshot", **clip)["data"])


@contextmanager
def opened(url, folder):
    """Open a page in a browser whose profile is in a folder."""
    its_input, commands = os.pipe()
    answers, its_output = os.pipe()
    # the browser reads commands from 3 and writes answers to 4
    arguments = [
        *(FOUND, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
        *(f"--user-data-dir={folder}", "about:blank"),
    ]
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{its_input} 4>&{its_output}', "bash", *arguments],
        pass_fds=(its_input, its_output),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(its_input)
    os.close(its_output)
    with os.fdopen(commands, "wb") as to_it, os.fdopen(answers, "rb") as from_it:
        try:
            page = Page(to_it, from_it, url)
            yield page
            page._session = None
            page("Browser.close")
        finally:
            process.terminate()
            process.wait(timeout=60)
