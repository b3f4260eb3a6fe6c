/** Observable Plot, in vendor/plot.min.js. */
declare const Plot: any;
