"""The graph of a turn: listen, speak, use tools, wait for approval, carry out.

Every brain runs this graph. It is no gate: it asks for approval, and the launch checks it.
"""

from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agent import nodes
from agent.context import AgentContext
from agent.state import ConversationState

MAX_SUPERSTEPS = 100
"""Steps in one turn; a model that calls tools in a circle ends here."""
# LangGraph 1.2.22 has no public name for this; tests/agent/test_graph.py fails when it loses its meaning
STRICT_RESUME = "__pregel_strict_resume"

Graph: TypeAlias = CompiledStateGraph[ConversationState, AgentContext, ConversationState, ConversationState]


def build_graph(saver: BaseCheckpointSaver[Any]) -> Graph:
    """Return the compiled graph over a checkpointer."""
    # langgraph's builder is only partly typed; the nodes themselves are checked
    builder: Any = StateGraph(ConversationState, context_schema=AgentContext)
    builder.add_node("listen", nodes.listen)
    builder.add_node("speak", nodes.speak)
    builder.add_node("use_tools", nodes.use_tools)
    builder.add_node("approve", nodes.approve)
    builder.add_node("carry_out", nodes.carry_out)
    builder.add_edge(START, "listen")
    builder.add_edge("listen", "speak")
    builder.add_conditional_edges("speak", nodes.after_speaking, {"use_tools": "use_tools", "end": END})
    ways = {"approve": "approve", "carry_out": "carry_out", "speak": "speak", "end": END}
    builder.add_conditional_edges("use_tools", nodes.after_tools, ways)
    answered = {"carry_out": "carry_out", "approve": "approve", "listen": "listen", "speak": "speak"}
    builder.add_conditional_edges("approve", nodes.after_approval, answered)
    builder.add_conditional_edges(
        "carry_out", nodes.after_carrying_out, {"approve": "approve", "speak": "speak", "end": END}
    )
    return builder.compile(checkpointer=saver)


def thread_config(thread: str) -> RunnableConfig:
    """Return the configuration of one thread; nothing secret may ever stand in it, it is stored."""
    return {"configurable": {"thread_id": thread, STRICT_RESUME: True}, "recursion_limit": MAX_SUPERSTEPS}
