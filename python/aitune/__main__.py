from aitune.command import main

main()
