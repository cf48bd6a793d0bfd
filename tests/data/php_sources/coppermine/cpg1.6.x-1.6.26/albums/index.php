<?php echo "a program among the pictures";
