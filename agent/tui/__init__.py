"""The terminal interface: a process of its own that draws events and sends the person's words. No conversation logic.

Nothing of langgraph, langchain, boto3, mlflow or torch may be imported here, at any time.
"""
