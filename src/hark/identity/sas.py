"""Seven emoji that two people read to each other: a short authentication string.

Forty-two bits, six per emoji. That is enough only because the other side has committed to its
part before it could see ours; the commitment is the caller's part. Pictures and names are the
list that the Matrix specification publishes, so that people of both networks read the same
words. Source: the Matrix specification, "SAS method: emoji"; spec/identity.md#emoji.
"""

from typing import NamedTuple

EMOJI_COUNT = 7
SAS_BYTES = 6
"""42 bits are used, the last six of the 48 are not."""


class Emoji(NamedTuple):
    """One of the 64 pictures."""

    symbol: str
    name: str


_NAMES = (
    "🐶 Dog|🐱 Cat|🦁 Lion|🐎 Horse|🦄 Unicorn|🐷 Pig|🐘 Elephant|🐰 Rabbit|"
    "🐼 Panda|🐓 Rooster|🐧 Penguin|🐢 Turtle|🐟 Fish|🐙 Octopus|🦋 Butterfly|🌷 Flower|"
    "🌳 Tree|🌵 Cactus|🍄 Mushroom|🌏 Globe|🌙 Moon|☁️ Cloud|🔥 Fire|🍌 Banana|"
    "🍎 Apple|🍓 Strawberry|🌽 Corn|🍕 Pizza|🎂 Cake|❤️ Heart|😀 Smiley|🤖 Robot|"
    "🎩 Hat|👓 Glasses|🔧 Spanner|🎅 Santa|👍 Thumbs Up|☂️ Umbrella|⌛ Hourglass|⏰ Clock|"
    "🎁 Gift|💡 Light Bulb|📕 Book|✏️ Pencil|📎 Paperclip|✂️ Scissors|🔒 Lock|🔑 Key|"
    "🔨 Hammer|☎️ Telephone|🏁 Flag|🚂 Train|🚲 Bicycle|✈️ Aeroplane|🚀 Rocket|🏆 Trophy|"
    "⚽ Ball|🎸 Guitar|🎺 Trumpet|🔔 Bell|⚓ Anchor|🎧 Headphones|📁 Folder|📌 Pin"
)
EMOJI = tuple(Emoji(*entry.split(" ", 1)) for entry in _NAMES.split("|"))
"""All 64, by number."""


def emoji_of(sas: bytes) -> tuple[Emoji, ...]:
    """Return the seven emoji of 6 derived bytes: seven groups of 6 bits, from the front."""
    bits = int.from_bytes(sas[:SAS_BYTES], "big") >> 6
    return tuple(EMOJI[bits >> (6 * i) & 63] for i in reversed(range(EMOJI_COUNT)))
