module strongroom.example/guest

go 1.27
