"""Networks: one paper, one file. Each is an `nn.Module`; nothing here trains or reads files."""
