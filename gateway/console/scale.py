"""`machinist scale`: scales a controller, as the REST API does."""

from typing import Any

from contracts.api import UpdateControllerReplicas
from contracts.records.command_ids import new_command_id
from gateway.console.calls import reply_to
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.operations import built, example, parameters
from gateway.console.terminal.output import json_option, note
from gateway.console.terminal.replies import print_reply
from gateway.console.terminal.values import provider_option
from gateway.context import Context


@console_command("scale", example=f"scale {example(UpdateControllerReplicas)}")
@provider_option
@json_option
def command(provider: str, as_json: bool, **values: Any) -> None:
    """Scale a controller to an absolute number of machines.

    The command waits for the end of the change. Its id is printed first, also on an error: the
    audit has the records of the command under this id, with the broker user as the requester.
    Warnings name an autoscaler that may change the number again.
    """
    operation = built(UpdateControllerReplicas, values)
    context = Context(command_id=new_command_id())
    note(f"Command-Id: {context.command_id}")
    reply = reply_to("scale", provider, operation, context)
    print_reply(operation.row, reply, as_json=as_json)


command.params[:0] = parameters(UpdateControllerReplicas)
