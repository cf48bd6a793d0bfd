<?php
define('OSTINSTALLED',FALSE);
if (OSTINSTALLED != TRUE) exit('not installed');
define('DBHOST','%CONFIG-DBHOST');
define('DBNAME','%CONFIG-DBNAME');
define('DBUSER','%CONFIG-DBUSER');
define('DBPASS','%CONFIG-DBPASS');
define('TABLE_PREFIX','%CONFIG-PREFIX');
