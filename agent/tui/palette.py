"""The slash commands in the command palette."""

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from agent.tui.commands import COMMANDS, Command
from agent.tui.messages import CommandGiven


class CommandProvider(Provider):
    """Lists the same commands as `/` in the prompt and gives them to the screen below."""

    async def discover(self) -> Hits:
        """Yield every command."""
        for command in COMMANDS:
            shown = Content(command.usage)
            yield DiscoveryHit(shown, partial(self._give, command), text=command.usage, help=command.summary)

    async def search(self, query: str) -> Hits:
        """Yield the commands whose name or summary matches."""
        matcher = self.matcher(query.removeprefix("/"))
        for command in COMMANDS:
            score = max(matcher.match(command.name), matcher.match(command.summary) * 0.9)
            if score > 0:
                # plain, as the hint of an argument in brackets would be read as markup
                shown = Content(command.usage)
                yield Hit(score, shown, partial(self._give, command), text=command.usage, help=command.summary)

    def _give(self, command: Command) -> None:
        self.screen.post_message(CommandGiven(command.name))
