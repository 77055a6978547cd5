-- round_trip: proves that scripts run here; answers what it was given.
return {ARG.number, ARG.text}
