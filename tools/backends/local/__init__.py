"""Jobs on this machine: detached processes that outlive Tailor. This root imports nothing."""
