"""How often something may happen: a bucket of tokens that fills by itself."""

NS_PER_S = 1_000_000_000


class Bucket:
    """`burst` at once, `per_s` in the long run."""

    def __init__(self, per_s: float, burst: int, now_ns: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_ns = now_ns

    def take(self, now_ns: int) -> bool:
        """Takes a token; False when there is none."""
        if self.is_empty(now_ns):
            return False
        self._tokens -= 1
        return True

    def is_empty(self, now_ns: int) -> bool:
        gained = max(0, now_ns - self._filled_ns) / NS_PER_S * self._per_s
        self._tokens = min(self._burst, self._tokens + gained)
        self._filled_ns = now_ns
        return self._tokens < 1
