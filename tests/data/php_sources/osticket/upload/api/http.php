<?php echo "api of the stand-in";
