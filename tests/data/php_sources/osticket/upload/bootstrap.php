<?php
// A stand-in: the folders are found from where this file really lies, as osTicket finds them.
define('ROOT_DIR', realpath(__DIR__) . '/');
define('INCLUDE_DIR', ROOT_DIR . 'include/');
