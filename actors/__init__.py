"""One folder per owned thing. Folders never import each other, but `runtime`; they talk by message."""
