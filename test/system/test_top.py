"""bgworkerctl top, seen in a real terminal: tmux keeps the screen, keys are pressed there, and what it shows is read."""

import json
import os
import re
import signal
import subprocess

import pytest
from harness import DEADLINE, alive, unprivileged, wait_until

HELLO = {"shared_preload_libraries": "hello_world,spi_example", "hello_world.interval": "1s",
         "spi_example.naptime": "1s"}


class Screen:
    """A terminal with a shell in it."""

    def __init__(self, space, columns=110, rows=20):
        self.space = space
        self.socket = os.path.join(space.folder, "tmux")
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh")
        self.tmux("set-option", "-g", "window-size", "manual")
        self.pane_pid = int(self.tmux("display-message", "-p", "#{pane_pid}"))

    def tmux(self, *arguments):
        environment = {key: value for key, value in os.environ.items() if key not in ("TMUX", "ENV")}
        environment.update(LC_ALL="C.UTF-8", TERM="xterm-256color", HOME=self.space.folder)
        done = subprocess.run(unprivileged(["tmux", "-S", self.socket, "-f", "/dev/null", *arguments]), check=True, text=True,
                              capture_output=True, cwd=self.space.folder, env=environment, timeout=DEADLINE)
        return done.stdout.rstrip("\n")

    def text(self):
        return self.tmux("capture-pane", "-p")

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def line(self, text):
        self.tmux("send-keys", "-l", text)
        self.press("Enter")

    def see(self, pattern):
        seen = [""]

        def look():
            seen[0] = self.text()
            return re.search(pattern, seen[0], re.MULTILINE)
        try:
            return wait_until(look, 3 * DEADLINE, pattern)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; the screen:\n{seen[0]}") from None

    def program(self):
        """The pid of what the shell runs."""
        found = subprocess.run(["ps", "--no-headers", "-o", "pid", "--ppid", str(self.pane_pid)], capture_output=True,
                               text=True, check=False).stdout.split()
        return int(found[0]) if found else None

    def close(self):
        try:
            server = int(self.tmux("display-message", "-p", "#{pid}"))
            self.tmux("kill-server")
        except subprocess.CalledProcessError:
            return
        wait_until(lambda: not alive(server), what="the end of tmux")
        if os.path.exists(self.socket):
            os.unlink(self.socket)


@pytest.fixture
def screen(space):
    opened = Screen(space)
    yield opened
    opened.close()


def names(screen):
    """The workers on the screen from top to bottom."""
    return re.findall(r"^(hello_world|spi_example \d) +\d+ +running", screen.text(), re.MULTILINE)


def start_top(screen, host, *options):
    screen.see(r"^[$#]")
    screen.line("stty -g; " + " ".join([host.space.program("bgworkerctl"), "-D", host.data, "top", "-d", "0.2", *options])
                + "; echo ended $?; stty -g")


def check_restored(screen, status):
    """The shell's screen is back, and so are the settings of the keyboard."""
    screen.see(rf"^ended {status}$")
    text = screen.text()
    before, after = re.findall(r"^[0-9a-f]+(?::[0-9a-f]+){10,}$", text.replace("\n\n", "\n"), re.MULTILINE)
    assert before == after
    assert "TRANS/S" not in text
    assert screen.tmux("display-message", "-p", "#{cursor_flag} #{alternate_on}") == "1 0"


def test_live(space, screen):
    """Workers with what they cost; keys sort, pause, change the interval, show help and quit; the window resizes."""
    host = space.host(settings=HELLO).start()
    host.log.wait_for(r"spi_example 2 looks after")
    screen.tmux("resize-window", "-x", "200", "-y", "20")
    start_top(screen, host)
    screen.see(r"^NAME +PID +STATE +RESTARTS +CPU % +MEMORY +TRANS/S +WAITS FOR")
    pid = host.worker("hello_world")
    screen.see(rf"^hello_world +{pid} +running +0 +\d+\.\d +\d+ kB +0\.0")
    screen.see(r"^spi_example 1 +\d+ +running +0 +\d+\.\d +\d+ kB +[1-9]\d*\.\d")
    screen.see(r"workers: 3 registered, 3 running; CPU \d+\.\d %; \d+\.\d transactions/s")

    screen.press("n")
    screen.see(r"every 0\.2 s, by name; h: help")
    assert names(screen) == ["hello_world", "spi_example 1", "spi_example 2"]
    screen.press("p")
    screen.see(r"by PID")
    pids = [int(found) for found in re.findall(r"^\w+(?: \d)? +(\d+) +running", screen.text(), re.MULTILINE)]
    assert len(pids) == 3 and pids == sorted(pids)

    screen.press("r")
    screen.see(r"by restarts")

    screen.press("Space")
    screen.see(r", paused;")
    paused = screen.text()
    screen.press("Space")
    screen.see(r"by restarts; h")
    wait_until(lambda: screen.text() != paused, what="another screen after the pause")

    screen.press("+")
    screen.see(r"every 0\.4 s")
    screen.press("-")
    screen.see(r"every 0\.2 s")
    screen.press("d")
    screen.see(r"interval in seconds: _")
    screen.line("0.5")
    screen.see(r"every 0\.5 s")
    screen.press("d", "0", "Enter")
    screen.see(r'"0" is no interval')
    screen.press("h")
    screen.see(r"^space +pause, and go on")
    screen.press("x")
    screen.see(r"^NAME")

    # Narrower: what a worker runs goes first; lower: the other workers are scrolled to.
    screen.tmux("resize-window", "-x", "78", "-y", "7")
    screen.see(r"workers 1 to 2 of \d")
    screen.press("n", "Down")
    screen.see(r"workers 2 to 3 of \d")
    assert all(len(line) <= 78 for line in screen.text().split("\n"))
    screen.tmux("resize-window", "-x", "110", "-y", "20")
    screen.press("q")
    check_restored(screen, 0)


def test_restarts_are_counted(space, screen):
    """A worker that fails is started again and counted; the count is seen."""
    host = space.host(settings=HELLO).start()
    host.log.wait_for(r"spi_example 1 looks after")
    start_top(screen, host)
    screen.see(r"^spi_example 1 +\d+ +running +0 ")
    shown = int(re.search(r"^spi_example 1 +(\d+)", screen.text(), re.MULTILINE).group(1))
    os.kill(shown, signal.SIGTERM)
    screen.see(r"^spi_example 1 +\d+ +running +1 ")
    screen.press("q")
    screen.see(r"^ended 0")


def test_host_restarts(space, screen):
    """The host goes and comes back, and top stays."""
    host = space.host(settings=HELLO)
    start_top(screen, host)
    screen.see(r"the host is down")
    host.start()
    screen.see(r"^hello_world +\d+ +running")
    host.stop()
    screen.see(r"the host is down")
    host.start()
    pid = host.worker("hello_world")
    screen.see(rf"^hello_world +{pid} +running")
    # The shell gives up the rest of the line with what Ctrl-C has ended.
    screen.press("C-c")
    screen.line("echo ended $?; stty -g")
    check_restored(screen, 130)


@pytest.mark.parametrize("sent, status", [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131),
                                          (signal.SIGSEGV, 139)])
def test_terminal_is_restored(space, screen, sent, status):
    """However it ends, the terminal is as it was."""
    host = space.host(settings=HELLO, init=True)
    start_top(screen, host)
    screen.see(r"the host is down")
    os.kill(screen.program(), sent)
    check_restored(screen, status)


def test_stopped_and_continued(space, screen):
    """Ctrl-Z gives the shell its screen back, fg takes it again."""
    host = space.host(settings=HELLO, init=True)
    start_top(screen, host)
    screen.see(r"the host is down")
    screen.press("C-z")
    screen.see(r"Stopped")
    screen.line("fg")
    screen.see(r"the host is down")
    screen.press("q")
    wait_until(lambda: screen.program() is None, what="the end of top")


def test_frames(space):
    """For scripts: frames as text or as JSON, with rates; the counter grows with what the worker commits."""
    host = space.host(settings=HELLO)
    refused = host.control("top", "--once", check=False)
    assert refused.returncode == 3 and "no host is running" in refused.stderr
    host.start()
    host.log.wait_for(r"spi_example 2 looks after")
    text = host.control("top", "-n", "2", "-d", "0.5").stdout
    assert "\033" not in text
    assert len(re.findall(r"^NAME +PID +STATE +RESTARTS", text, re.MULTILINE)) == 2
    frames = [json.loads(line) for line in
              host.control("top", "-n", "2", "-d", "2", "--json").stdout.splitlines()]
    assert len(frames) == 2
    for frame in frames:
        workers = {worker["name"]: worker for worker in frame["workers"]}
        assert workers["hello_world"]["transactions"] == 0
        assert workers["hello_world"]["transactions_per_second"] == 0
        assert workers["spi_example 1"]["transactions_per_second"] > 0
        assert workers["spi_example 1"]["cpu_percent"] is not None
        assert 100_000 < workers["spi_example 1"]["memory_bytes"] < 1_000_000_000
        assert workers["spi_example 1"]["restarts"] == 0
    first, second = ({worker["name"]: worker["transactions"] for worker in frame["workers"]} for frame in frames)
    assert second["spi_example 1"] > first["spi_example 1"] > 0
