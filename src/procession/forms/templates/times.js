"use strict";
document.querySelectorAll("time[datetime]").forEach((time) => {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.getTime()))
    time.textContent = moment.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
});
